import CSeccomp
import Glibc
import Kernel

/// The system calls that a sandbox's processes may make: Docker's default profile, for the capabilities that they have.
///
/// What is not listed fails with EPERM; what a newer libc probes for and replaces fails with ENOSYS, so that it falls back.
enum SeccompPolicy {
    /// The filter as an array of `struct sock_filter`, for the native architecture and its 32-bit one.
    static func compile() throws(SandboxError) -> [UInt8] {
        guard let context = unsafe seccomp_init(errnoAction(EPERM)) else {
            throw .kernel(KernelError("seccomp_init", errno: .invalid))
        }
        defer { unsafe seccomp_release(context) }
        do throws(KernelError) {
            try unsafe addRules(to: context)
            return try unsafe export(context)
        } catch {
            throw .kernel(error)
        }
    }

    private static func addRules(to context: scmp_filter_ctx) throws(KernelError) {
        #if arch(x86_64)
            try succeed("seccomp_arch_add", unsafe seccomp_arch_add(context, UInt32(SCMP_ARCH_X86)))
        #endif
        // A binary tree of comparisons instead of a long list: tens of instructions a call instead of hundreds.
        try succeed("seccomp_attr_set", unsafe seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2))
        for name in SystemCallList.allowed { try unsafe allow(name, in: context) }

        // clone without new namespaces; clone3 hides its flags behind a pointer, so libc must fall back to clone.
        let namespaceFlags: UInt64 = 0x7E02_0000
        try unsafe allow("clone", where: [masked(argument: 0, namespaceFlags, equals: 0)], in: context)
        try unsafe add(errnoAction(ENOSYS), "clone3", [], in: context)
        // The personalities that programs use: PER_LINUX, PER_LINUX32, UNAME26, both, and the query.
        for persona: UInt64 in [0x0, 0x8, 0x20000, 0x20008, 0xFFFF_FFFF] {
            try unsafe allow("personality", where: [equal(argument: 0, persona)], in: context)
        }
        // One that cannot make the kernel itself wait for the program: captures have processes make it, to learn what they write.
        let forUserSpaceAlone: UInt64 = 0x8_0000 | 1  // O_CLOEXEC, UFFD_USER_MODE_ONLY
        try unsafe allow("userfaultfd", where: [equal(argument: 0, forUserSpaceAlone)], in: context)
        // Every socket family but AF_VSOCK (40), which reaches past the sandbox to a hypervisor.
        try unsafe allow("socket", where: [notEqual(argument: 0, 40)], in: context)
    }

    // MARK: libseccomp in Swift

    private static func errnoAction(_ errno: Int32) -> UInt32 {
        // SCMP_ACT_ERRNO is a macro: the action with the error number in its low half.
        0x0005_0000 | UInt32(errno)
    }

    private static let allowAction: UInt32 = 0x7FFF_0000

    private static func allow(
        _ name: String, where conditions: [scmp_arg_cmp] = [], in context: scmp_filter_ctx
    ) throws(KernelError) {
        try unsafe add(allowAction, name, conditions, in: context)
    }

    private static func add(
        _ action: UInt32, _ name: String, _ conditions: [scmp_arg_cmp], in context: scmp_filter_ctx
    ) throws(KernelError) {
        let number = unsafe seccomp_syscall_resolve_name(name)
        // A name that this libseccomp is too old to know; the kernel's default answer for it is EPERM then.
        if number == __NR_SCMP_ERROR { return }
        // unsafe: the array is read for its count while the call lasts.
        let result = unsafe seccomp_rule_add_array(context, action, number, UInt32(conditions.count), conditions)
        try succeed("seccomp_rule_add \(name)", result)
    }

    private static func equal(argument: UInt32, _ value: UInt64) -> scmp_arg_cmp {
        scmp_arg_cmp(arg: argument, op: SCMP_CMP_EQ, datum_a: value, datum_b: 0)
    }

    private static func notEqual(argument: UInt32, _ value: UInt64) -> scmp_arg_cmp {
        scmp_arg_cmp(arg: argument, op: SCMP_CMP_NE, datum_a: value, datum_b: 0)
    }

    private static func masked(argument: UInt32, _ mask: UInt64, equals value: UInt64) -> scmp_arg_cmp {
        scmp_arg_cmp(arg: argument, op: SCMP_CMP_MASKED_EQ, datum_a: mask, datum_b: value)
    }

    private static func succeed(_ call: String, _ result: Int32) throws(KernelError) {
        if result < 0 { throw KernelError(call, errno: Errno(rawValue: -result)) }
    }

    private static func export(_ context: scmp_filter_ctx) throws(KernelError) -> [UInt8] {
        var pipe = try Pipe()
        // A filter is at most 4,096 instructions of 8 bytes (BPF_MAXINSNS), half of what a pipe holds.
        try succeed("seccomp_export_bpf", unsafe seccomp_export_bpf(context, pipe.writeDescriptor))
        _ = pipe.takeWriteEnd()
        let readEnd = pipe.takeReadEnd()
        return try readEnd.readToEnd()
    }
}
