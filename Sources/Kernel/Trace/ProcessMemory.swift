import CKernel
import Glibc

/// The memory of another process, through its /proc/PID/mem: protections do not matter, as for a debugger, and pages that it shares
/// with others since a fork stay shared, which process_vm_readv(2) undoes.
public struct ProcessMemory: ~Copyable {
    let file: OwnedFD
    let process: Int32

    public init(of process: Int32) throws(KernelError) {
        self.process = process
        file = try OwnedFD.open(FilePath(verbatim: "/proc/\(process)/mem"), .readWrite)
    }

    public func write<Plain: BitwiseCopyable>(_ values: [Plain], at address: UInt64) throws(KernelError) {
        let size = values.count * MemoryLayout<Plain>.stride
        var done = 0
        while done < size {
            done += try check("write", "memory of \(process)") {
                // unsafe: the kernel reads what is left of the array. Addresses beyond Int.max are no process's.
                unsafe values.withUnsafeBytes {
                    unsafe pwrite(file.rawValue, $0.baseAddress! + done, $0.count - done, Int(address) + done)
                }
            }
        }
    }

    public func read(_ count: Int, at address: UInt64) throws(KernelError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let part = try check("read", "memory of \(process)") {
                // unsafe: the kernel fills at most what is left of the array.
                unsafe bytes.withUnsafeMutableBytes {
                    unsafe pread(file.rawValue, $0.baseAddress! + done, $0.count - done, Int(address) + done)
                }
            }
            if part == 0 { throw KernelError("read", "memory of \(process) at \(address)", errno: .invalid) }
            done += part
        }
        return bytes
    }

    /// A value of a plain type at an address.
    public func read<Plain: BitwiseCopyable>(_ type: Plain.Type, at address: UInt64) throws(KernelError) -> Plain {
        let bytes = try read(MemoryLayout<Plain>.size, at: address)
        // unsafe: the array has exactly the type's size; loadUnaligned asks for no alignment.
        return unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: Plain.self) }
    }
}

/// The bytes of a plain value.
public func plainBytes<Plain: BitwiseCopyable>(of value: Plain) -> [UInt8] {
    // unsafe: reads the value's own storage.
    unsafe withUnsafeBytes(of: value) { unsafe Array($0) }
}
