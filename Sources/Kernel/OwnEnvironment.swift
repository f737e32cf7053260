/// The environment that the engine was started with.
public enum OwnEnvironment {
    /// As it was at the start: nothing in the engine changes it. For programs that act for the person who started the engine.
    public static func read() throws(KernelError) -> [String: String] {
        var variables: [String: String] = [:]
        for line in try ProcFS.readWhole("/proc/self/environ").split(separator: "\0") {
            guard let equals = line.firstIndex(of: "="), equals != line.startIndex else { continue }
            variables[String(line[..<equals])] = String(line[line.index(after: equals)...])
        }
        return variables
    }
}
