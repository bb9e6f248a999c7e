#!/usr/bin/env python3
"""Makes examples/data from a whole GADGET-4 run: group catalogues of five snapshots, links
between the last three, the merger trees, and the last snapshot's positions and IDs, packed
with shuffle and deflate. Catalogues and trees are the files as GADGET-4 wrote them.

    make_cut.py RUN_FOLDER OUT_FOLDER
"""
import os
import shutil
import sys

import h5py

CATALOGUES = (5, 14, 21, 22, 23)
LINKED = (21, 22, 23)
SNAPSHOT = 23
PARTICLE_FIELDS = ("Coordinates", "ParticleIDs")
ROWS_A_CHUNK = 16384


def copy_catalogues(run, out):
    for snap in CATALOGUES:
        folder = f"groups_{snap:03d}"
        os.makedirs(f"{out}/{folder}", exist_ok=True)
        for name in sorted(os.listdir(f"{run}/{folder}")):
            link = not name.startswith("fof_")
            # A descendant link of the first, a progenitor link of the last one would lead
            # to a catalogue that the cut does not have.
            wanted = snap in LINKED and not (name.startswith("subhalo_prog") and snap == LINKED[0])
            if not link or wanted:
                shutil.copyfile(f"{run}/{folder}/{name}", f"{out}/{folder}/{name}")


def copy_trees(run, out):
    os.makedirs(f"{out}/treedata", exist_ok=True)
    for name in sorted(os.listdir(f"{run}/treedata")):
        shutil.copyfile(f"{run}/treedata/{name}", f"{out}/treedata/{name}")


def pack_snapshot(run, out):
    folder = f"snapdir_{SNAPSHOT:03d}"
    os.makedirs(f"{out}/{folder}", exist_ok=True)
    for name in sorted(os.listdir(f"{run}/{folder}")):
        with h5py.File(f"{run}/{folder}/{name}", "r") as src, \
             h5py.File(f"{out}/{folder}/{name}", "w") as dst:
            for group in ("Header", "Config", "Parameters"):
                src.copy(group, dst)
            particles = dst.create_group("PartType1")
            for field in PARTICLE_FIELDS:
                old = src["PartType1"][field]
                new = particles.create_dataset(
                    field, data=old[:], chunks=(ROWS_A_CHUNK,) + old.shape[1:],
                    shuffle=True, compression="gzip", compression_opts=9)
                for key, value in old.attrs.items():
                    new.attrs[key] = value


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    run, out = sys.argv[1:]
    copy_catalogues(run, out)
    copy_trees(run, out)
    pack_snapshot(run, out)


if __name__ == "__main__":
    main()
