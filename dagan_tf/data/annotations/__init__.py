"""Annotations that are shapes and no label maps: a module for each format, which paints them.

A format is a class whose objects are sources of `dagan_tf.data.preparation`: `names`, `rows`, `find`, `settle`, `read`.
"""
