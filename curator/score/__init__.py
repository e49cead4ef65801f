"""Scores learned from labels, apart from the plug-ins that offer them in a recipe."""
