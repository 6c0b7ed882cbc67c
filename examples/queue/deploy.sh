#!/bin/sh
# Deploys a function, a queue that it takes messages off, and a queue for what it fails on three times.
set -eu
cd "$(dirname "$0")"

kiln queues create parcels-dead
kiln queues create parcels --visibility 30 --dead-letters parcels-dead --receives 3
kiln deploy . --name parcels-ship --handler parcels.ship
kiln triggers add parcels-ship parcels --batch-size 10 --report-failures
