"""Encoders: turn texts into vectors. Specs hold no weights; each process loads weights once.

``__init__.pyi`` lists the public names; each is imported from its module when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
