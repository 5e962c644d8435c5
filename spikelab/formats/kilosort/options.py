"""Options and names that reader and writer of a Kilosort/Phy folder share."""

from __future__ import annotations

from dataclasses import dataclass

from spikelab.units import TimeUnit

LAYOUT = 1
SPIKE_TIMES = "spike_times.npy"
SPIKE_CLUSTERS = "spike_clusters.npy"
SPIKE_TEMPLATES = "spike_templates.npy"
AMPLITUDES = "amplitudes.npy"
TEMPLATES = "templates.npy"
CHANNEL_MAP = "channel_map.npy"
CHANNEL_POSITIONS = "channel_positions.npy"
WHITENING = "whitening_mat.npy"
WHITENING_INVERSE = "whitening_mat_inv.npy"
PARAMS = "params.py"
GROUP_TABLE = "cluster_group.tsv"
INFO_TABLE = "cluster_info.tsv"
ATTRIBUTE_TABLE = "cluster_attributes.tsv"
MANIFEST = "spikelab_export.json"
STANDARD_FILES = frozenset(
    (
        *(SPIKE_TIMES, SPIKE_CLUSTERS, SPIKE_TEMPLATES, AMPLITUDES, TEMPLATES, CHANNEL_MAP),
        *(CHANNEL_POSITIONS, WHITENING, WHITENING_INVERSE, PARAMS, MANIFEST),
        *(GROUP_TABLE, INFO_TABLE, ATTRIBUTE_TABLE),
    )
)

# Curation labels, as Phy knows them; a person's label goes before the sorter's.
LABELS = ("good", "mua", "noise", "unsorted")
UNSORTED = "unsorted"
LABEL_KEYS = ("group", "quality", "label", "KSLabel")


@dataclass(frozen=True)
class Options:
    """How a Kilosort/Phy folder is written, and what it does not say about itself when read.

    Attributes
    ----------
    fs_Hz : float, optional
        Sampling frequency in Hz; by default what the session or ``params.py`` states.
    spike_times_file, spike_clusters_file : str, optional
        Names of the two files; by default ``spike_times.npy`` and ``spike_clusters.npy``.
    time_unit : {'samples', 's', 'ms'}, optional
        Unit of the spike times; by default what the folder states, else ``'samples'``.
    cluster_ids : tuple of int, optional
        Writing: one id per unit. By default the units' ``unit_id`` where every unit has a
        distinct non-negative whole number, else 0 to N-1.
    cluster_info_tsv : str, optional
        Reading: the table of the clusters, whose entries go before those of other tables.
    include_noise : bool
        Reading: False leaves out the units that are labelled noise.
    length_ms, start_time_ms : float, optional
        Reading: duration and start in ms, for folders that do not state them.
    channel_map_file, channel_positions_file : str, optional
        Reading: by default ``channel_map.npy`` and ``channel_positions.npy``.
    """

    fs_Hz: float | None = None
    spike_times_file: str | None = None
    spike_clusters_file: str | None = None
    time_unit: TimeUnit | None = None
    cluster_ids: tuple[int, ...] | None = None
    cluster_info_tsv: str | None = None
    include_noise: bool = True
    length_ms: float | None = None
    start_time_ms: float | None = None
    channel_map_file: str | None = None
    channel_positions_file: str | None = None


def label_of(values: dict[str, object]) -> str | None:
    """The curation label among a unit's attributes, or None.

    Only the labels of Phy count: in some files ``group`` is the number of a shank.
    """
    for key in LABEL_KEYS:
        value = values.get(key)
        if isinstance(value, str) and value.strip().lower() in LABELS:
            return value.strip().lower()
    return None
