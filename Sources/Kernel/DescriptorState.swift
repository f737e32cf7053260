import CKernel
import Glibc

/// State of open descriptors that has to be read from one and given to another.
extension OwnedFD {
    /// Moves the position; of what has none (a pipe, a terminal), nothing.
    public func seekIfPossible(to position: Int64) throws(KernelError) {
        do throws(KernelError) {
            try check("lseek") { lseek(rawValue, Int(position), SEEK_SET) }
        } catch let error where error.errno == .illegalSeek {
            return
        }
    }

    public func pipeCapacity() throws(KernelError) -> Int32 {
        try check("fcntl(F_GETPIPE_SZ)") { ck_pipe_capacity(rawValue) }
    }

    public func setPipeCapacity(_ bytes: Int32) throws(KernelError) {
        try check("fcntl(F_SETPIPE_SZ)") { ck_set_pipe_capacity(rawValue, bytes) }
    }

    /// Copies what a pipe holds to another one, which must be empty and as large; how many bytes.
    public func copyPipeContent(to other: borrowing OwnedFD, upTo limit: Int) throws(KernelError) -> Int {
        do throws(KernelError) {
            return try check("tee") { ck_tee(rawValue, other.rawValue, limit) }
        } catch let error where error.errno == .again {
            return 0
        }
    }

    /// Status flags, as fcntl(F_GETFL) gives them.
    public func statusFlags() throws(KernelError) -> Int32 {
        try check("fcntl(F_GETFL)") { ck_status_flags(rawValue) }
    }

    public func setStatusFlags(_ flags: Int32) throws(KernelError) {
        try check("fcntl(F_SETFL)") { ck_set_status_flags(rawValue, flags) }
    }

    /// flock(2), without waiting.
    public func lockWholeFile(exclusively: Bool) throws(KernelError) {
        try check("flock") { flock(rawValue, (exclusively ? LOCK_EX : LOCK_SH) | LOCK_NB) }
    }

    /// A lock of the open file description (fcntl(2), F_OFD_SETLK), without waiting. Length 0 is to the end.
    public func lockRecord(exclusively: Bool, start: Int64, length: Int64) throws(KernelError) {
        try check("fcntl(F_OFD_SETLK)") { ck_lock_record(rawValue, exclusively ? 1 : 0, start, length) }
    }

    /// Seals of a memory file; nil for a file that has none to have.
    public func seals() throws(KernelError) -> Int32? {
        do throws(KernelError) {
            return try check("fcntl(F_GET_SEALS)") { ck_get_seals(rawValue) }
        } catch let error where error.errno == .invalid {
            return nil
        }
    }

    public func addSeals(_ seals: Int32) throws(KernelError) {
        try check("fcntl(F_ADD_SEALS)") { ck_add_seals(rawValue, seals) }
    }
}

extension OwnedFD {
    /// The next part of a file that is no hole (lseek(2), SEEK_DATA); nil when only a hole is left.
    public func nextData(from position: Int64, size: Int64) throws(KernelError) -> (start: Int64, end: Int64)? {
        let (seekData, seekHole): (Int32, Int32) = (3, 4)
        do throws(KernelError) {
            let start = try check("lseek(SEEK_DATA)") { lseek(rawValue, Int(position), seekData) }
            let end = try check("lseek(SEEK_HOLE)") { lseek(rawValue, start, seekHole) }
            return (Int64(start), min(Int64(end), size))
        } catch let error where error.errno == .noSuchDevice {
            return nil
        }
    }
}
