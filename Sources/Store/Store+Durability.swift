import Kernel

extension Store {
    /// Makes all that is in the store outlive a power cut: it is on the disk on return.
    ///
    /// Takes as long as the disk needs for what is unwritten on the store's whole filesystem; call it on a background
    /// thread. Until then a snapshot outlives every crash of the engine, but not of the machine
    /// (docs/decisions/0002-durability-in-the-background.md).
    /// - Throws: `kernel` when the disk failed to write.
    public func makeDurable() throws(StoreError) {
        try onDisk { () throws(KernelError) in try root.synchronizeFilesystem() }
    }
}
