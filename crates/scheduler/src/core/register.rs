//! Who is known: pools, functions and accounts get a number when they are first spoken of, and lose it
//! when nothing of them is left.

use kiln_types::{AccountId, FunctionId, MemoryMb, Slots};

use super::arena::No;
use super::event::FunctionKey;
use super::state::{Account, Function, Pool};
use super::{Action, Core};

impl Core {
    /// The pool of a key whose instances are had by so many at a time.
    pub(super) fn pool_with(
        &mut self,
        key: FunctionKey,
        memory: MemoryMb,
        slots: Slots,
    ) -> No<Pool> {
        let no = self.pool_no(key, memory);
        let pool = &mut self.pools[no];
        pool.slots = slots.get();
        self.functions[pool.function].slots = slots.get();
        no
    }

    fn pool_no(&mut self, key: FunctionKey, memory: MemoryMb) -> No<Pool> {
        if let Some(no) = self.pool_of.get(&key) {
            return *no;
        }
        let function = self.function_no(&key.id);
        let no = self
            .pools
            .insert(Pool::new(key.clone(), function, memory.get().into()));
        // A request that was admitted before the deletion runs; its instance is not kept.
        self.pools[no].retired = self.functions[function].deleted;
        self.functions[function].pools.push(no);
        self.pool_of.insert(key, no);
        no
    }

    pub(super) fn function_no(&mut self, id: &FunctionId) -> No<Function> {
        if let Some(no) = self.function_of.get(id) {
            return *no;
        }
        let account = self.account_no(&id.account);
        let no = self.functions.insert(Function::new(id.clone(), account));
        self.function_of.insert(id.clone(), no);
        no
    }

    pub(super) fn account_no(&mut self, id: &AccountId) -> No<Account> {
        if let Some(no) = self.account_of.get(id) {
            return *no;
        }
        let concurrency = self.config.account_concurrency;
        let no = self.accounts.insert(Account::new(concurrency));
        self.account_of.insert(id.clone(), no);
        no
    }

    /// Drops a pool of which nothing is left, and its function when that is deleted.
    pub(super) fn forget_if_empty(&mut self, no: No<Pool>) {
        if !self.pools[no].is_empty() {
            return;
        }
        self.forget_orders(no);
        let pool = self.pools.remove(no);
        self.pool_of.remove(&pool.key);
        let function = &mut self.functions[pool.function];
        function.pools.retain(|other| *other != no);
        self.forget_if_deleted(pool.function);
        if pool.known {
            self.actions.push(Action::Forget { key: pool.key });
        }
    }

    pub(super) fn forget_if_deleted(&mut self, no: No<Function>) {
        let function = &self.functions[no];
        if function.deleted && function.pools.is_empty() && function.reserved.is_none() {
            let function = self.functions.remove(no);
            self.function_of.remove(&function.id);
        }
    }
}
