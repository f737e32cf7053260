import CKernel

/// What the child in fresh namespaces found; see ck_probe_namespaces.h.
struct NamespaceProbe {
    enum Outcome {
        case passed
        case failed(KernelError)
        /// Something that it needs failed, or it does not apply here.
        case notReached
    }

    private let outcomes: [Outcome]
    let ids: IDMapping
    /// Why `ids` are less than they could be; empty when they are not.
    let idProblem: String

    /// - Parameter scratch: an empty folder on the store's filesystem; an overlay leaves files in it.
    init(scratch: String?) {
        var probe = ck_namespace_probe()
        do throws(KernelError) {
            // unsafe: the path is read, and the struct filled, within the call.
            try check("mmap or pipe2", "for the probe") { unsafe ck_probe_in_namespaces(scratch, &probe) }
        } catch {
            let nothing = (1..<CK_CHECK_COUNT.rawValue).map { _ in Outcome.notReached }
            (outcomes, ids, idProblem) = ([.failed(error)] + nothing, .single, "")
            return
        }
        outcomes = (0..<CK_CHECK_COUNT.rawValue).map { Self.outcome(ck_namespace_check($0), of: &probe) }
        ids = IDMapping(probe.ids)
        idProblem = text(of: &probe.problem)
    }

    subscript(check: ck_namespace_check) -> Outcome { outcomes[Int(check.rawValue)] }

    /// The row of a check that must pass.
    func feature(_ name: FeatureName, _ check: ck_namespace_check, remedy: String) -> Feature {
        switch self[check] {
        case .passed: .ok(name, "works in a user namespace")
        case .failed(let error): .failed(name, "\(error)", remedy: remedy)
        case .notReached: .failed(name, "not tried", remedy: Remedy.first(.userNamespaces))
        }
    }

    private static func outcome(_ check: ck_namespace_check, of probe: inout ck_namespace_probe) -> Outcome {
        // unsafe: the shim points into `probe`, which outlives the copy made here; `call` is of static storage.
        var outcome = unsafe ck_check_outcome(&probe, check).pointee
        if unsafe outcome.error == 0 { return .passed }
        if unsafe outcome.error == CK_CHECK_NOT_REACHED { return .notReached }
        let words = unsafe text(of: &outcome.words)
        return unsafe .failed(
            KernelError(
                String(cString: outcome.call), words.isEmpty ? "" : "(\(words))",
                errno: Errno(rawValue: outcome.error)))
    }
}

/// A C array of characters that ends with 0, without the line end that the kernel puts there.
private func text<Characters>(of characters: inout Characters) -> String {
    // unsafe: the bytes of a plain C array.
    unsafe withUnsafeBytes(of: &characters) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 && $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }
}
