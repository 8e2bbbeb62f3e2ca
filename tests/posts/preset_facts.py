"""A small made-up file of each source, in the shape that the tool or service itself writes, and what comes out of it.

Shapes were looked up in: twarc-csv (dataframe_converter.py, test-data), snscrape (modules/twitter.py), twint
(storage/write_meta.py), rtweet (save_as_csv.R), academictwitteR (bind_tweets.R), 4CAT (datasources/*/map_item),
Zeeschuimer (js/zs-background.js, modules/*), Mastodon's documentation of Status, the lexicons of the AT Protocol and
Jetstream's README, the reference of YouTube's Data API, Telegram Desktop (export_output_json.cpp), weibo-crawler
(weibo.py) and weibo-search (pipelines.py).
"""

from __future__ import annotations

from tests.posts.preset_facts_platforms import PLATFORMS
from tests.posts.preset_facts_tools import TOOLS
from tests.posts.preset_facts_x import X
from tests.posts.preset_files import Fact

FACTS: list[Fact] = [*X, *TOOLS, *PLATFORMS]
