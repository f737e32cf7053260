import Kernel

extension Store {
    /// The name of the filesystem that the store lies on, as mountinfo has it: `ext4`.
    public func filesystemName() throws(StoreError) -> String {
        try onDisk { () throws(KernelError) in try MountTable.filesystem(at: path) }
    }

    /// Whether that filesystem copies files without copying their bytes (FICLONE): tried on a file.
    public func supportsReflinks() throws(StoreError) -> Bool {
        try onDisk { () throws(KernelError) in
            let (original, copy): (FilePath, FilePath) = ("reflink-original", "reflink-copy")
            let source = try staging.open(original, [.readWrite, .create], permissions: 0o600)
            try source.writeAll([0])
            let target = try staging.open(copy, [.readWrite, .create], permissions: 0o600)
            let isSupported = try FileContentCopier.clone(source, to: target)
            try staging.removeFile(original)
            try staging.removeFile(copy)
            return isSupported
        }
    }

    /// Bytes that are free on the filesystem that the store lies on.
    public func freeBytes() throws(StoreError) -> Int64 {
        try onDisk { () throws(KernelError) in try staging.freeBytes() }
    }

    /// What a sandbox's own files take on disk, in bytes: its upper, and the layers above its image.
    public func diskUsage(of sandbox: SandboxRecord) throws(StoreError) -> Int64 {
        let upper = try openUpper(of: sandbox)
        var total = try onDisk { () throws(KernelError) in try TreeSize.measure(upper) }
        for layer in sandbox.layers { total += try sizeOfLayer(layer) }
        return total
    }
}
