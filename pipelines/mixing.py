"""Selections become mixtures on disk: drawn, encoded shard by shard, assembled in draw order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.engine.driver import Driver, sights
from curator.engine.tasks import Sight
from curator.mix.draw import Draw, draw
from curator.mix.export import Encoded, assemble
from curator.mix.spec import MixSpec, parse_mix
from curator.recipe import ArmSpec, Recipe
from curator.schema import SELECTION, conform
from curator.shards import Shard, read_shard, write_shard
from curator.stage import Corpus
from pipelines.arms import Selected
from pipelines.pool import Pool, folder_shard
from pipelines.preparing import Tokens
