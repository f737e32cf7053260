import CKernel
import Glibc

// Extended attributes (xattr(7)) of an open regular file or directory. The other kinds cannot carry `user.` ones.
extension OwnedFD {
    /// The names of all extended attributes that the caller may see; none where the filesystem has no such thing.
    public func extendedAttributeNames() throws(KernelError) -> [FilePath] {
        // unsafe: the kernel writes at most `size` bytes.
        let list = unsafe try growingRead("flistxattr") { (buffer, size) in
            unsafe flistxattr(rawValue, buffer, size)
        }
        return (list ?? []).split(separator: 0).compactMap { FilePath(bytes: $0) }
    }

    /// The value of an extended attribute, nil when the file has none of that name.
    public func extendedAttribute(_ name: FilePath) throws(KernelError) -> [UInt8]? {
        // unsafe: the kernel reads the name and writes at most `size` bytes.
        unsafe try growingRead("fgetxattr") { (buffer, size) in
            unsafe name.withCString { unsafe fgetxattr(rawValue, $0, buffer, size) }
        }
    }

    public func setExtendedAttribute(_ name: FilePath, _ value: [UInt8]) throws(KernelError) {
        try check("fsetxattr", name.description) {
            // unsafe: the kernel reads the name and `count` bytes of the value.
            unsafe name.withCString { name in
                unsafe value.withUnsafeBytes { unsafe fsetxattr(rawValue, name, $0.baseAddress, $0.count, 0) }
            }
        }
    }

    public func removeExtendedAttribute(_ name: FilePath) throws(KernelError) {
        // unsafe: the kernel reads the name within the call.
        try check("fremovexattr", name.description) { unsafe name.withCString { unsafe fremovexattr(rawValue, $0) } }
    }

    /// Runs a call that fills a buffer, with a larger one while it does not fit; nil when there is nothing to read.
    private func growingRead(
        _ call: String, _ body: (UnsafeMutablePointer<CChar>, Int) -> Int
    ) throws(KernelError) -> [UInt8]? {
        var capacity = 256
        while true {
            var value = [UInt8](repeating: 0, count: capacity)
            do throws(KernelError) {
                let length = try check(call) {
                    // unsafe: the buffer is lent for the call, with its own length.
                    unsafe value.withUnsafeMutableBytes { buffer in
                        unsafe body(buffer.baseAddress!.assumingMemoryBound(to: CChar.self), buffer.count)
                    }
                }
                value.removeLast(capacity - length)
                return value
            } catch {
                switch error.errno {
                case .range: capacity *= 8
                case .noData, .notSupported: return nil
                default: throw error
                }
            }
        }
    }
}
