"""The commands of ``posestage``, one module each.

Each has ``add_parser(subparsers)``, which sets ``run`` as the parsed options' default, and
``run(options) -> int``, which returns the exit code and imports what it needs only then.
"""
