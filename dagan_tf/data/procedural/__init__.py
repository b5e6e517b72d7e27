"""Facades drawn by code: a data set that needs no download."""

from dagan_tf.data.procedural.facades import ProceduralFacades

__all__ = ["ProceduralFacades"]
