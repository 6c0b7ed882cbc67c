;; A WASI command: the event is its standard input, the result its standard output, and what it writes to
;; its standard error is the log.
;;
;;   wat2wasm hello.wat && kiln deploy hello.wasm && kiln invoke hello --payload '{"a": 1}'
(module
  (import "wasi_snapshot_preview1" "fd_read"
    (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "handling an event\n")
  (data (i32.const 64) "{\"youSent\": ")
  (data (i32.const 80) "}")
  (global $event i32 (i32.const 1024))

  ;; Writes bytes to a descriptor. The first 16 bytes of memory are where WASI finds and leaves numbers.
  (func $write (param $fd i32) (param $from i32) (param $count i32)
    (i32.store (i32.const 0) (local.get $from))
    (i32.store (i32.const 4) (local.get $count))
    (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))

  ;; Reads standard input to its end, as far as there is room. Gives the count.
  (func $read (result i32)
    (local $count i32)
    (block $end
      (loop $more
        (i32.store (i32.const 0) (i32.add (global.get $event) (local.get $count)))
        (i32.store (i32.const 4) (i32.sub (i32.const 100000) (local.get $count)))
        (br_if $end (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
        (br_if $end (i32.eqz (i32.load (i32.const 8))))
        (local.set $count (i32.add (local.get $count) (i32.load (i32.const 8))))
        (br $more)))
    (local.get $count))

  (func (export "_start")
    (local $count i32)
    (local.set $count (call $read))
    (call $write (i32.const 2) (i32.const 16) (i32.const 18))
    (call $write (i32.const 1) (i32.const 64) (i32.const 12))
    (call $write (i32.const 1) (global.get $event) (local.get $count))
    (call $write (i32.const 1) (i32.const 80) (i32.const 1))))
