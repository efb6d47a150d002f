using System.Reflection;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Tests;

/// <summary>Schema shapes, which ML.NET has no public way to make.</summary>
internal static class SchemaShapes
{
    public static SchemaShape Of(DataViewSchema schema) => new(schema.Select(Of));

    private static SchemaShape.Column Of(DataViewSchema.Column column)
    {
        var vector = column.Type as VectorDataViewType;
        return (SchemaShape.Column)Activator.CreateInstance(typeof(SchemaShape.Column), BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public, null,
            [column.Name, vector is null ? SchemaShape.Column.VectorKind.Scalar : SchemaShape.Column.VectorKind.Vector, vector?.ItemType ?? column.Type, false, null], null)!;
    }
}
