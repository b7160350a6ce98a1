"""The documentation page of an image, made from the image: facts, texts that are data, a folder and a page of HTML."""
