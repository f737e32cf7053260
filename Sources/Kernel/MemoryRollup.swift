/// The sums that `/proc/PID/smaps_rollup` tells of a process's memory (proc_pid_smaps(5)).
public struct MemoryRollup: Sendable {
    /// What is no file's, each page divided by how many processes have it.
    public let ownBytes: Int64

    /// - Parameter folder: a /proc.
    public init(in folder: Int32, of pid: Int32) throws(KernelError) {
        var bytes: Int64 = 0
        for line in try ProcFS.read("\(pid)/smaps_rollup", in: folder).lines {
            let fields = line.words
            if fields.count > 1, fields[0] == "Pss_Anon:" || fields[0] == "Pss_Shmem:" {
                bytes += (Int64(fields[1]) ?? 0) << 10
            }
        }
        ownBytes = bytes
    }
}
