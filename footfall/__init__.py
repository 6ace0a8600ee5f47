"""Footfall: from shop events to served scores."""
