# Written by spikelab. Sample number in spike_times.npy + sample_offset = sample number counted from time zero.
# templates.npy: placeholder (-1 on the unit's channel), no waveform known: all clusters.
dat_path = []
n_channels_dat = 50
dtype = 'int16'
offset = 0
sample_rate = 30000.0
hp_filtered = True
spikelab_layout = 1
start_time_ms = 0.0
length_ms = 150000.0
sample_offset = 0
time_unit = 'samples'
