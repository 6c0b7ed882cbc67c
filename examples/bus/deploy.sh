#!/bin/sh
# Deploys three functions, one of which may put events, a bus and two rules. Needs kiln, the AWS CLI and the server's three variables.
set -eu
cd "$(dirname "$0")"
account=$(aws sts get-caller-identity --query Account --output text)
function=arn:aws:lambda:${AWS_REGION:-us-east-1}:$account:function

aws iam get-role --role-name shop-sell >/dev/null 2>&1 ||
    aws iam create-role --role-name shop-sell --assume-role-policy-document '{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'
aws iam put-role-policy --role-name shop-sell --policy-name sells --policy-document "{
  \"Version\": \"2012-10-17\", \"Statement\": {\"Effect\": \"Allow\", \"Action\": \"events:PutEvents\",
    \"Resource\": \"arn:aws:events:${AWS_REGION:-us-east-1}:$account:event-bus/shop\"}}"

for name in watch count; do
    kiln deploy . --name "shop-$name" --handler "shop.$name"
done
kiln deploy . --name shop-sell --handler shop.sell --role "arn:aws:iam::$account:role/shop-sell"
aws events describe-event-bus --name shop >/dev/null 2>&1 || aws events create-event-bus --name shop

aws events put-rule --event-bus-name shop --name every-sale --event-pattern '{"source": ["example.shop"]}'
aws events put-targets --event-bus-name shop --rule every-sale --targets "Id=count,Arn=$function:shop-count"

aws events put-rule --event-bus-name shop --name dear-sales \
    --event-pattern '{"source": ["example.shop"], "detail": {"price": [{"numeric": [">=", 100]}]}}'
aws events put-targets --event-bus-name shop --rule dear-sales \
    --targets "[{\"Id\": \"watch\", \"Arn\": \"$function:shop-watch\", \"InputPath\": \"\$.detail\"}]"
