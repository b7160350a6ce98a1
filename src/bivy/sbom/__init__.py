"""A list of everything in an image, with licences, digests and sources: as CycloneDX and as SPDX."""
