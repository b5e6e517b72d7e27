"""Packages that an export needs and that are not there."""

import importlib.util

import pytest

from dagan_tf.errors import UserError
from dagan_tf.exports.packages import EXTRAS, check_packages


@pytest.mark.parametrize("module", EXTRAS)
def test_missing_packages_are_named(monkeypatch, module):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else "found")
    with pytest.raises(UserError, match=rf"pip install 'dagan_tf\[{EXTRAS[module]}\]'"):
        check_packages(*EXTRAS)
    check_packages(*EXTRAS.keys() - {module})
