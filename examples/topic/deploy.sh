#!/bin/sh
# Deploys a function, a topic and a queue that gets dear orders only. Needs kiln and the server's variables.
set -eu
cd "$(dirname "$0")"

kiln deploy . --name orders-bill --handler orders.bill
kiln queues create orders-dear
kiln topics create orders
kiln topics subscribe orders --function orders-bill
kiln topics subscribe orders --queue orders-dear --raw --filter-body --filter '{"price": [{"numeric": [">=", 100]}]}'
