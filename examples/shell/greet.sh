# The handler `greet.hello`: takes the event as its argument and prints the result.
hello() {
    name=$(echo "$1" | sed -n 's/.*"name" *: *"\([A-Za-z ]*\)".*/\1/p')
    [ -n "$name" ] || return 1
    echo "greeting $name" >&2
    printf '{"greeting":"Hello, %s!"}' "$name"
}
