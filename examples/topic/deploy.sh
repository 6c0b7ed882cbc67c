#!/bin/sh
# Deploys a function, a topic and a queue that gets dear orders only. Needs kiln, the AWS CLI and the server's three variables.
set -eu
cd "$(dirname "$0")"

kiln deploy . --name orders-bill --handler orders.bill
aws sqs create-queue --queue-name orders-dear --endpoint-url "$AWS_ENDPOINT_URL"
kiln topics create orders
kiln topics subscribe orders --function orders-bill
kiln topics subscribe orders --queue orders-dear --raw --filter-body --filter '{"price": [{"numeric": [">=", 100]}]}'
