"""What each image is: a file an image, with its versions, packages, environment and command."""
