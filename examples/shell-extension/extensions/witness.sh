#!/bin/sh
# An extension in shell: says in the log when the function is invoked and when its instance ends.
api=http://$AWS_LAMBDA_RUNTIME_API/2020-01-01/extension
id=$(curl -sS -D - -o /dev/null -H "Lambda-Extension-Name: ${0##*/}" \
    -d '{"events":["INVOKE","SHUTDOWN"]}' "$api/register" |
    tr -d '\r' | sed -n 's/^[Ll]ambda-[Ee]xtension-[Ii]dentifier: //p')
while event=$(curl -sS -H "Lambda-Extension-Identifier: $id" "$api/event/next"); do
    case $event in
    *SHUTDOWN*) echo "witness: the end" && exit ;;
    *) echo "witness: an invocation" ;;
    esac
done
