"""The risk report: what an audit and the project's own records say together, as one model that is rendered twice."""
