/// Where a store lies when nobody says where.
public enum StoreLocation {
    /// - Parameters:
    ///   - environment: the value of a variable, nil when it is not set.
    ///   - isRoot: whether root runs the engine.
    /// - Returns: an absolute path; nil for an ordinary user who has neither variable.
    public static func standard(environment: (String) -> String?, isRoot: Bool) -> String? {
        if isRoot { return "/var/lib/isorun" }
        // A relative path is to be ignored (XDG Base Directory Specification).
        if let data = environment("XDG_DATA_HOME"), data.hasPrefix("/") { return data + "/isorun" }
        if let home = environment("HOME"), home.hasPrefix("/") { return home + "/.local/share/isorun" }
        return nil
    }
}
