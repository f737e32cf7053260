import CKernel
import Glibc

/// System V shared memory, semaphores and message queues (sysvipc(7)), of the calling thread's ipc namespace.
public enum SystemV {
    private static let exclusive: Int32 = 0o3000  // IPC_CREAT, IPC_EXCL
    private static let modeMask: UInt32 = 0o777

    /// Which table of /proc/sysvipc a kind has, and which file of /proc/sys/kernel tells the next number.
    public enum Kind: String, Sendable {
        case segments = "shm"
        case semaphores = "sem"
        case messages = "msg"
    }

    /// The lines of a kind's table without its heading, in columns (proc_sysvipc(5)).
    public static func table(of kind: Kind) throws(KernelError) -> [[Substring]] {
        try ProcFS.readWhole("/proc/sysvipc/\(kind.rawValue)").lines.dropFirst()
            .map { $0.split(separator: " ") }
    }

    /// Runs `make` so that what it makes gets a certain number (proc_sys_kernel(5), shm_next_id).
    public static func make(
        _ kind: Kind, number: Int32, _ make: () throws(KernelError) -> Int32
    ) throws(KernelError) {
        try ProcFS.write("\(number)", to: "/proc/sys/kernel/\(kind.rawValue)_next_id")
        let given = try make()
        if given != number { throw KernelError("\(kind.rawValue)get", "number \(number)", errno: .exists) }
    }

    // MARK: Shared memory

    public static func makeSegment(key: Int32, size: UInt64, mode: UInt32) throws(KernelError) -> Int32 {
        try check("shmget", "key \(key)") { ck_shmget(key, Int(size), exclusive | Int32(mode & modeMask)) }
    }

    public static func setSegment(_ id: Int32, owner: UInt32, group: UInt32, mode: UInt32) throws(KernelError) {
        try check("shmctl(IPC_SET)", "\(id)") { ck_shm_set(id, owner, group, mode & modeMask) }
    }

    public static func lockSegment(_ id: Int32) throws(KernelError) {
        try check("shmctl(SHM_LOCK)", "\(id)") { ck_shm_lock(id) }
    }

    /// It goes when nobody is attached any more.
    public static func removeSegment(_ id: Int32) throws(KernelError) {
        try check("shmctl(IPC_RMID)", "\(id)") { ck_shm_remove(id) }
    }

    // MARK: Semaphores

    public static func makeSemaphores(key: Int32, count: Int, mode: UInt32) throws(KernelError) -> Int32 {
        try check("semget", "key \(key)") { ck_semget(key, Int32(count), exclusive | Int32(mode & modeMask)) }
    }

    public static func setSemaphores(_ id: Int32, owner: UInt32, group: UInt32, mode: UInt32) throws(KernelError) {
        try check("semctl(IPC_SET)", "\(id)") { ck_sem_set(id, owner, group, mode & modeMask) }
    }

    public static func semaphoreValues(_ id: Int32, count: Int) throws(KernelError) -> [UInt16] {
        var values = [UInt16](repeating: 0, count: count)
        // unsafe: the kernel fills as many as the set has, which is the caller's count.
        try check("semctl(GETALL)", "\(id)") { unsafe ck_sem_get_all(id, &values) }
        return values
    }

    public static func setSemaphoreValues(_ id: Int32, _ values: [UInt16]) throws(KernelError) {
        // unsafe: the kernel reads as many as the set was made with.
        try check("semctl(SETALL)", "\(id)") { unsafe ck_sem_set_all(id, values) }
    }

    // MARK: Messages

    public static func makeQueue(key: Int32, mode: UInt32) throws(KernelError) -> Int32 {
        try check("msgget", "key \(key)") { ck_msgget(key, exclusive | Int32(mode & modeMask)) }
    }

    public static func setQueue(
        _ id: Int32, owner: UInt32, group: UInt32, mode: UInt32, capacity: UInt64
    ) throws(KernelError) {
        try check("msgctl(IPC_SET)", "\(id)") { ck_msg_set(id, owner, group, mode & modeMask, Int(capacity)) }
    }

    /// How many bytes a queue may hold.
    public static func capacity(ofQueue id: Int32) throws(KernelError) -> UInt64 {
        let capacity = ck_msg_capacity(id)
        if capacity == 0 { throw KernelError("msgctl(IPC_STAT)", "\(id)", errno: .current) }
        return UInt64(capacity)
    }

    /// A message with its type before it (msgop(2), MSG_COPY). It stays in the queue.
    ///
    /// - Parameter limit: what the largest one may have.
    public static func message(_ number: Int, ofQueue id: Int32, upTo limit: Int) throws(KernelError) -> [UInt8] {
        let typeSize = MemoryLayout<Int>.size
        var message = [UInt8](repeating: 0, count: typeSize + limit)
        // unsafe: the kernel fills at most what comes after the type.
        let size = try check("msgrcv", "\(id)") { unsafe ck_msg_copy(id, &message, limit, number) }
        return Array(message[..<(typeSize + Int(size))])
    }

    public static func send(_ message: [UInt8], toQueue id: Int32) throws(KernelError) {
        let typeSize = MemoryLayout<Int>.size
        if message.count < typeSize { throw KernelError("msgsnd", "a message without a type", errno: .invalid) }
        // unsafe: the kernel reads the type and what comes after it.
        try check("msgsnd", "\(id)") { unsafe ck_msgsnd(id, message, message.count - typeSize) }
    }
}

/// A System V segment that is attached to the engine itself, as long as the value lives.
@safe public struct AttachedSegment: ~Copyable {
    private let address: UnsafeMutableRawPointer
    private let size: Int
    private let id: Int32
    private static let pageSize = 4096

    public init(_ id: Int32, size: UInt64, isReadOnly: Bool) throws(KernelError) {
        // unsafe: the kernel chooses a free place.
        guard let address = unsafe ck_shmat(id, isReadOnly ? 1 : 0) else {
            throw KernelError("shmat", "\(id)", errno: .current)
        }
        unsafe self.address = address
        self.size = Int(size)
        self.id = id
    }

    /// Parts that exist, in whole pages but at the end.
    public func presentRanges() throws(KernelError) -> [Range<Int>] {
        var pages = [UInt8](repeating: 0, count: (size + Self.pageSize - 1) / Self.pageSize)
        // unsafe: the kernel fills a byte for each page of the segment.
        try check("mincore", "segment \(id)") { unsafe ck_mincore(address, size, &pages) }
        var ranges: [Range<Int>] = []
        for (page, presence) in pages.enumerated() where presence & 1 == 1 {
            let range = (page * Self.pageSize)..<min(size, (page + 1) * Self.pageSize)
            if let last = ranges.last, last.upperBound == range.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
            } else {
                ranges.append(range)
            }
        }
        return ranges
    }

    /// - Parameter range: within the segment.
    public func read(_ range: Range<Int>) -> [UInt8] {
        precondition(range.lowerBound >= 0 && range.upperBound <= size, "a range of the segment")
        // unsafe: the range lies in the segment, which stays attached.
        return unsafe Array(UnsafeRawBufferPointer(start: address + range.lowerBound, count: range.count))
    }

    public func write(_ bytes: [UInt8], at offset: Int) throws(KernelError) {
        if offset < 0 || offset > size || bytes.count > size - offset {
            throw KernelError("shmat", "content beyond the end of segment \(id)", errno: .invalid)
        }
        // unsafe: the bytes lie in the segment, which stays attached.
        unsafe bytes.withUnsafeBytes {
            unsafe (address + offset).copyMemory(from: $0.baseAddress!, byteCount: $0.count)
        }
    }

    deinit {
        // unsafe: nothing refers to the memory any more.
        unsafe _ = ck_shmdt(address)
    }
}
