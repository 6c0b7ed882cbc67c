;; A command that does what the second byte of its event asks (the first is the quote of a JSON text), to see what comes
;; of it.
(module
  (import "wasi_snapshot_preview1" "fd_read"
    (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get"
    (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff"
    (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 32) "went wrong\n")
  (data (i32.const 64) "../../etc/passwd")
  (data (i32.const 96) "/etc/passwd")
  (data (i32.const 112) "written")
  (global $calls (mut i32) (i32.const 0))

  (func $write (param $fd i32) (param $from i32) (param $count i32)
    (i32.store (i32.const 0) (local.get $from))
    (i32.store (i32.const 4) (local.get $count))
    (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))

  ;; A number of two digits.
  (func $number (param $number i32)
    (i32.store8 (i32.const 20) (i32.add (i32.const 48)
      (i32.div_u (local.get $number) (i32.const 10))))
    (i32.store8 (i32.const 21) (i32.add (i32.const 48)
      (i32.rem_u (local.get $number) (i32.const 10))))
    (call $write (i32.const 1) (i32.const 20) (i32.const 2)))

  ;; What opening a file below a directory gives: 0, or an error's number.
  (func $open (param $dir i32) (param $name i32) (param $bytes i32) (param $flags i32)
    (call $number (call $path_open (local.get $dir) (i32.const 0)
      (local.get $name) (local.get $bytes) (local.get $flags)
      (i64.const 66) (i64.const 0) (i32.const 0) (i32.const 8)))
    (i32.store8 (i32.const 22) (i32.const 10))
    (call $write (i32.const 1) (i32.const 22) (i32.const 1)))

  (func (export "_start")
    (local $what i32) (local $count i32)
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 1000))
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (local.set $what (i32.load8_u (i32.const 1025)))
    ;; trap
    (if (i32.eq (local.get $what) (i32.const 116)) (then (unreachable)))
    ;; loop
    (if (i32.eq (local.get $what) (i32.const 108)) (then (loop $for-ever (br $for-ever))))
    ;; memory
    (if (i32.eq (local.get $what) (i32.const 109)) (then
      (loop $more
        (local.set $count (memory.grow (i32.const 16)))
        (if (i32.eq (local.get $count) (i32.const -1)) (then (unreachable)))
        (i32.store (i32.mul (local.get $count) (i32.const 65536)) (i32.const 1))
        (br $more))))
    ;; exit
    (if (i32.eq (local.get $what) (i32.const 120)) (then
      (call $write (i32.const 2) (i32.const 32) (i32.const 11))
      (call $proc_exit (i32.const 3))))
    ;; sleep, for an hour: a subscription to the monotonic clock
    (if (i32.eq (local.get $what) (i32.const 115)) (then
      (i32.store8 (i32.const 2056) (i32.const 0))
      (i32.store (i32.const 2064) (i32.const 1))
      (i64.store (i32.const 2072) (i64.const 3600000000000))
      (drop (call $poll_oneoff (i32.const 2048) (i32.const 2200) (i32.const 1) (i32.const 8)))))
    ;; files: out of the package, an absolute one, one to be made in the package and one in /tmp
    (if (i32.eq (local.get $what) (i32.const 102)) (then
      (call $open (i32.const 3) (i32.const 64) (i32.const 16) (i32.const 0))
      (call $open (i32.const 3) (i32.const 96) (i32.const 11) (i32.const 0))
      (call $open (i32.const 3) (i32.const 112) (i32.const 7) (i32.const 1))
      (call $open (i32.const 4) (i32.const 112) (i32.const 7) (i32.const 1))
      (call $open (i32.const 9) (i32.const 112) (i32.const 7) (i32.const 0))))
    ;; variables
    (if (i32.eq (local.get $what) (i32.const 118)) (then
      (drop (call $environ_sizes_get (i32.const 8) (i32.const 12)))
      (drop (call $environ_get (i32.const 4096) (i32.const 65536)))
      (call $write (i32.const 1) (i32.const 65536) (i32.load (i32.const 12)))))
    ;; calls: how many this instance has seen
    (if (i32.eq (local.get $what) (i32.const 99)) (then
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (call $number (global.get $calls))))))
