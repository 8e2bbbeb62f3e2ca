"""The actors. Importing this package sets Dramatiq's broker: actors are bound to it as they are defined.

It opens no connection: the pool opens when a worker process boots, Redis is connected to at the first message.
"""

from __future__ import annotations

import dramatiq

from app import settings as _settings
from workers.process import Process

process = Process(_settings.load())
"""What the actors of this process share: settings, broker, pool."""

dramatiq.set_broker(process.broker)
