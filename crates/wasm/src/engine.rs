//! The engine: compiled code runs only in one with the settings that it was compiled with.

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Core instances, memories and tables of one component. What the tools for Rust, C, Go, JavaScript and
/// Python make has fewer than ten.
const PARTS_MAX: u32 = 64;
/// Linear memories: each reserves addresses, not memory.
const MEMORIES_MAX: u32 = 16;
/// Elements of one table: CPython as a component has some 15,000 functions in it.
const TABLE_ELEMENTS_MAX: usize = 100_000;
/// Metadata of one instance, in bytes.
const INSTANCE_BYTES_MAX: usize = 4 << 20;
/// Of a memory that was used, how much is cleared by writing zeros; the rest is given back to the
/// kernel, which must fault it in again.
const KEPT_BYTES: usize = 256 << 10;

/// The engine of this program.
pub(crate) fn new() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(slots()));
    Engine::new(&config)
}

/// Memory for the one instance there is at a time, reserved once: an instance then costs no mapping.
fn slots() -> PoolingAllocationConfig {
    let mut slots = PoolingAllocationConfig::new();
    slots
        .total_component_instances(2)
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_core_instances_per_component(PARTS_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(PARTS_MAX)
        .total_core_instances(PARTS_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .total_memories(MEMORIES_MAX)
        .total_tables(PARTS_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .total_stacks(4)
        .linear_memory_keep_resident(KEPT_BYTES)
        .table_keep_resident(KEPT_BYTES);
    slots
}
