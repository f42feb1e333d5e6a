"""Transfer learning on text: carry knowledge over, and know whether it helped.

Nothing heavy is imported here. ``__init__.pyi`` lists the public names; each is imported from its
module when it is first used.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
