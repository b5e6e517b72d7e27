"""What is wrong with a data set, and what is in it, before hours are spent on it: NumPy and PIL alone.

`quick_check` reads the headers of all files and the pixels of a few; it is what a run begins with. `scan` reads
everything once; `summary` makes a report of the scans, `page` an HTML page of that.
"""

from dagan_tf.data.inspection.aspect import own_choice
from dagan_tf.data.inspection.findings import Finding, Report
from dagan_tf.data.inspection.quick import quick_check

__all__ = ["Finding", "Report", "own_choice", "quick_check"]
