"""How each package is made: a folder a package, with its recipe, patches and small files."""
