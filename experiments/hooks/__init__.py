"""Hooks of the mmengine runner."""
