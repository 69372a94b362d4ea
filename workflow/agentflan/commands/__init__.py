"""One command a module: a docstring, ``add_arguments(parser)`` and ``run(arguments) -> str``. Found by listing."""
