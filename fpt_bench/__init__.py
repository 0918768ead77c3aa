"""fpt_bench: does a transformer pretrained on language help on tasks with no language in them, and when?"""

__version__ = "0.1.0"
