"""Where examples come from and how they become batches.

A source of examples has `len(source)`, `source[index]` (see `FileSource`) and `source.name(index)`; `Pipeline` takes
any. For `cached` it has `source.fingerprint()`, too, a text that changes when the examples do. The names below are
imported when they are first used: reading a folder needs neither TensorFlow nor TensorFlow Datasets.
"""

import importlib

_MODULES = {
    "FileSource": "folder",
    "FolderSource": "folder",
    "ProceduralFacades": "procedural",
    "CmpFacades": "datasets.facades",
    "Ade20k": "datasets.ade20k",
    "CityscapesPairs": "datasets.cityscapes",
    "CelebaMaskHq": "datasets.celebamask_hq",
    "CocoStuff": "datasets.coco_stuff",
    "read_classes": "description",
    "write_classes": "description",
    "facades_from_folder": "datasets.facades",
    "facades_from_tfds": "datasets.facades",
    "Pipeline": "pipeline",
    "RecordSource": "cache",
    "cached": "cache",
}

__all__ = list(_MODULES)


def __getattr__(name):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
