/// The engine's own version; CHANGELOG.md says what each brought.
public enum EngineVersion {
    public static let current = "0.1.0"
}
