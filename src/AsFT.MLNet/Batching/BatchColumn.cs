using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Batching;

/// <summary>One output column of a <see cref="BatchFunction{TResult}"/>: its type, and its value in a row's result.</summary>
/// <typeparam name="TResult">What the function makes of one row.</typeparam>
/// <param name="Name">Name of the column.</param>
/// <param name="Type">Type of the column.</param>
/// <param name="Annotations">Annotations of the column, or null.</param>
/// <param name="CreateGetter">Makes the column's <see cref="ValueGetter{TValue}"/> over the current row's result.</param>
internal sealed record BatchColumn<TResult>(string Name, DataViewType Type, DataViewSchema.Annotations? Annotations, Func<Func<TResult>, Delegate> CreateGetter);

/// <summary>Makes <see cref="BatchColumn{TResult}"/>s of the usual types.</summary>
internal static class BatchColumn
{
    public static BatchColumn<TResult> Text<TResult>(string name, Func<TResult, string> value) => new(name, TextDataViewType.Instance, null,
        current => (ValueGetter<ReadOnlyMemory<char>>)((ref ReadOnlyMemory<char> destination) => destination = value(current()).AsMemory()));

    public static BatchColumn<TResult> Single<TResult>(string name, Func<TResult, float> value) => new(name, NumberDataViewType.Single, null,
        current => (ValueGetter<float>)((ref float destination) => destination = value(current())));

    public static BatchColumn<TResult> Boolean<TResult>(string name, Func<TResult, bool> value) => new(name, BooleanDataViewType.Instance, null,
        current => (ValueGetter<bool>)((ref bool destination) => destination = value(current())));

    /// <summary>A dense vector of fixed length, one named slot per entry of <paramref name="slotNames"/>.</summary>
    public static BatchColumn<TResult> Vector<TResult>(string name, IReadOnlyList<string> slotNames, Func<TResult, IReadOnlyList<float>> value,
        Action<DataViewSchema.Annotations.Builder>? annotate = null)
    {
        var annotations = new DataViewSchema.Annotations.Builder();
        annotations.Add("SlotNames", new VectorDataViewType(TextDataViewType.Instance, slotNames.Count), (ref VBuffer<ReadOnlyMemory<char>> destination) =>
        {
            var editor = VBufferEditor.Create(ref destination, slotNames.Count);
            for (var i = 0; i < slotNames.Count; i++) editor.Values[i] = slotNames[i].AsMemory();
            destination = editor.Commit();
        });
        annotate?.Invoke(annotations);
        return new(name, new VectorDataViewType(NumberDataViewType.Single, slotNames.Count), annotations.ToAnnotations(),
            current => (ValueGetter<VBuffer<float>>)((ref VBuffer<float> destination) =>
            {
                var values = value(current());
                var editor = VBufferEditor.Create(ref destination, slotNames.Count);
                for (var i = 0; i < slotNames.Count; i++) editor.Values[i] = values[i];
                destination = editor.Commit();
            }));
    }
}
