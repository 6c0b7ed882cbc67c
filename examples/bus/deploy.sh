#!/bin/sh
# Deploys three functions, a bus and two rules. Needs kiln, the AWS CLI and the server's three variables.
set -eu
cd "$(dirname "$0")"
account=$(aws sts get-caller-identity --query Account --output text)
function=arn:aws:lambda:${AWS_REGION:-us-east-1}:$account:function

for name in watch count sell; do
    kiln deploy . --name "shop-$name" --handler "shop.$name"
done
aws events describe-event-bus --name shop >/dev/null 2>&1 || aws events create-event-bus --name shop

aws events put-rule --event-bus-name shop --name every-sale --event-pattern '{"source": ["example.shop"]}'
aws events put-targets --event-bus-name shop --rule every-sale --targets "Id=count,Arn=$function:shop-count"

aws events put-rule --event-bus-name shop --name dear-sales \
    --event-pattern '{"source": ["example.shop"], "detail": {"price": [{"numeric": [">=", 100]}]}}'
aws events put-targets --event-bus-name shop --rule dear-sales \
    --targets "[{\"Id\": \"watch\", \"Arn\": \"$function:shop-watch\", \"InputPath\": \"\$.detail\"}]"
