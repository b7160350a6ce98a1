"""Packages become a tree."""
