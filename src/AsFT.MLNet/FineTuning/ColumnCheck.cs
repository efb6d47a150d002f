using AsFT.MLNet.Interop;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.FineTuning;

/// <summary>Refuses columns of a schema shape in ML.NET's words.</summary>
internal static class ColumnCheck
{
    /// <exception cref="ArgumentOutOfRangeException">The column is missing or is no text.</exception>
    public static void Text(SchemaShape schema, string name, string role)
    {
        var column = Find(schema, name, role);
        if (column.Kind != SchemaShape.Column.VectorKind.Scalar || column.ItemType is not TextDataViewType)
            throw new ArgumentOutOfRangeException(nameof(schema), $"Schema mismatch for {role} column '{name}': expected String, got {MlNetInternals.TypeName(column)}");
    }

    /// <exception cref="ArgumentOutOfRangeException">The column is missing.</exception>
    public static SchemaShape.Column Find(SchemaShape schema, string name, string role) =>
        schema.Where(candidate => candidate.Name == name).Select(candidate => (SchemaShape.Column?)candidate).FirstOrDefault()
        ?? throw new ArgumentOutOfRangeException(nameof(schema), $"Could not find {role} column '{name}'");
}
