"""The style of a check's page, for light and dark screens."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2129; --soft: #667080; --paper: #f6f7f9; --card: #ffffff; --line: #dfe3e8;
  --good: #1d7f4a; --warning: #9a6400; --error: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #98a2b1; --paper: #14171c; --card: #1d2128;
  --line: #323843; --good: #4cc38a; --warning: #e0a63a; --error: #f2786f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 24px 20px 60px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 16px; }
h1 { margin: 0; font-size: 24px; overflow-wrap: anywhere; }
h2 { margin: 0 0 12px; font-size: 17px; }
section { margin-top: 18px; padding: 16px 18px; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
.badge { margin: 0; padding: 2px 12px; border-radius: 99px; border: 1px solid; font-weight: 600; }
.good { color: var(--good); } .badge.warning, .warning h3 { color: var(--warning); }
.badge.error, .error h3 { color: var(--error); }
.finding { padding: 2px 0 2px 14px; border-left: 3px solid; } .finding + .finding { margin-top: 14px; }
.finding.warning { border-color: var(--warning); } .finding.error { border-color: var(--error); }
.finding h3 { margin: 0; font-size: 15px; } .finding h3 span { font-weight: 400; }
.finding p { margin: 2px 0 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } .tall { max-height: 560px; overflow-y: auto; }
.tall thead th { position: sticky; top: 0; background: var(--card); } .tall .wide { overflow: visible; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 16px 3px 0; text-align: left; white-space: nowrap; }
th { color: var(--soft); font-weight: 500; border-bottom: 1px solid var(--line); }
.swatch { display: inline-block; width: 13px; height: 13px; border-radius: 3px; border: 1px solid var(--line);
  vertical-align: -2px; margin-right: 6px; }
.bar { width: 320px; } .bar i { display: block; height: 11px; min-width: 1px; border-radius: 2px; }
pre { padding: 10px 12px; overflow-x: auto; background: var(--paper); border-radius: 6px; }
figure { margin: 0; } figure + figure { margin-top: 22px; }
figure img { margin: 0 6px 0 0; max-width: 32%; height: auto; border-radius: 4px; }
figure ul { display: flex; flex-wrap: wrap; gap: 0 14px; margin: 4px 0 0; padding: 0; list-style: none;
  font-size: 13px; }
figcaption { color: var(--soft); font-size: 13px; overflow-wrap: anywhere; }
"""
