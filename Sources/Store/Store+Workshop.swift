import Kernel

extension Store {
    /// Makes an empty folder that is this engine's alone, for mounts that only it sees; it goes with the engine.
    ///
    /// - Returns: its absolute path.
    public func makeWorkshop() throws(StoreError) -> String {
        try onDisk { () throws(KernelError) in _ = try staging.makeDirectoryIfAbsent("workshop", permissions: 0o700) }
        return path("staging", engine.rawValue, "workshop")
    }

    /// Removes what this engine alone has in the store, at its end; nothing may be mounted in the workshop any more.
    ///
    /// What is left when this fails is removed by the next engine that opens the store.
    public func leave() throws(StoreError) {
        try onDisk { () throws(KernelError) in
            try TreeRemover.remove(engine.path, in: allStaging)
            try engines.removeFile(FilePath(verbatim: engine.rawValue + ".lock"))
        }
    }
}
