import Kernel

extension Store {
    /// Makes a snapshot outlive a power cut: its manifest, its layers and all that they hold are on the disk on return.
    ///
    /// Takes as long as the disk needs for what is unwritten on the store's whole filesystem; call it on a background
    /// thread. Until then a snapshot outlives every crash of the engine, but not of the machine
    /// (docs/decisions/0002-durability-in-the-background.md).
    /// - Throws: `snapshotNotFound`, `snapshotCorrupt`, `kernel` when the disk failed to write.
    public func makeDurable(_ id: SnapshotID) throws(StoreError) {
        _ = try snapshot(id)
        try onDisk { () throws(KernelError) in try root.synchronizeFilesystem() }
    }
}
